"""Text that would run if it were interpreted as markup or a script."""

from __future__ import annotations

HOSTILE = (
    "${alert(1)}${window.ran=1}{{constructor}}`${window.ran=1}`</script><script>window.ran=1</script>"
    "<img src=x onerror='window.ran=1'><svg onload='window.ran=1'>\\u0041 &lt; &amp; <|fim_middle|>"
)
