"""Text that is dangerous wherever it is taken for markup, a template or a string."""

from __future__ import annotations

HOSTILE = "${1+1}{{x}}`\\`</pre></code><script>x</script><img onerror=x>\"'&lt;\r\n\n"
