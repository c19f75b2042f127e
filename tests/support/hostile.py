"""Text that is dangerous if interpreted as markup, a template or a string literal."""

from __future__ import annotations

HOSTILE = "${1+1}{{x}}`\\`</pre></code><script>x</script><img onerror=x>\"'&lt;\r\n\n"
