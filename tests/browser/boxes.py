"""Positions of elements on a page."""

from __future__ import annotations

BOXES = """() => Object.fromEntries(
    ["before", "after", "middle", "caption", "buttons", "panes"].map((id) => {
        const box = document.getElementById(id).getBoundingClientRect();
        return [id, [box.left, box.top + scrollY, box.width].map(Math.round)];
    }))"""
