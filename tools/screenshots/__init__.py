"""The screenshots in docs/screenshots, taken of the real page in Chromium: `make screenshots`."""
