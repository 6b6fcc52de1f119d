"""Check that every relative link in the documentation leads somewhere."""

import re
import sys
from pathlib import Path

from tools.progress import say

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)


def main() -> int:
    """Say which links are broken; return how many there are, as an exit code."""
    pages = sorted(path for path in Path().rglob("*.md") if not any(part.startswith(".") for part in path.parts))
    broken = [f"{page}: {link}" for page in pages for link in _links(page) if not _leads_somewhere(page, link)]
    for line in broken:
        say(f"Broken link in {line}")
    say(f"{len(pages)} pages, {len(broken)} broken links")
    return min(len(broken), 1)


def _links(page: Path) -> list[str]:
    links = _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in links if not re.match(r"[a-z]+:", link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


if __name__ == "__main__":
    sys.exit(main())
