// Where the reader is: the fragment of the address. It never leaves the browser.

class Route {
  #hash = $state(location.hash)
  #last: Record<string, string[]> = {}

  constructor() {
    addEventListener('hashchange', () => (this.#hash = location.hash))
  }

  /** The parts of `#/rooms/ID/documents`. */
  get parts(): string[] {
    return this.#hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(unescaped)
  }

  get screen(): string {
    return this.parts[0] ?? 'home'
  }

  /** The parts while the reader is at this screen; after that, as they were: a screen that goes does not move on. */
  within(screen: string): string[] {
    if (this.screen === screen) this.#last[screen] = this.parts
    return this.#last[screen] ?? [screen]
  }

  go(...parts: string[]): void {
    location.hash = '/' + parts.map(encodeURIComponent).join('/')
  }
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export function at(...parts: string[]): string {
  return '#/' + parts.map(encodeURIComponent).join('/')
}

export const route = new Route()
