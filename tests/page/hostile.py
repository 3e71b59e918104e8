"""What others may name themselves and write to hurt a page, and whether it did."""

MARKUP = '<img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script><b>{@html 1}</b>'
HOSTILE = f"\u202e{MARKUP}\u2066\u200b" + "W" * 300 + "\u0301" * 200
BENT = """[...document.querySelectorAll('main *')]
  .filter((part) => [...part.childNodes].some((text) => text.nodeType === 3 && HIDDEN.test(text.data)))
  .map((part) => part.outerHTML.slice(0, 160)).slice(0, 5)""".replace("HIDDEN", "/[\\u202a-\\u202e\\u2066\\u200b]/")
"""Where text stands that turns the reading direction, or has invisible letters."""
WIDE = """[...document.querySelectorAll('main *')]
  .filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
  .map((part) => part.outerHTML.slice(0, 160)).slice(0, 5)"""


def is_unharmed(visitor):
    """Fail where something ran, where markup became elements, or where a screen is wider than the window."""
    page = visitor.page
    assert page.evaluate("globalThis.owned") is None
    assert page.locator("main img, main script, main b").count() == 0
    assert page.evaluate(BENT) == [], page.url
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], (page.url, page.evaluate(WIDE))
