// Light, dark, or as the system has it. Kept in this browser.

export type Theme = 'system' | 'light' | 'dark'
const PLACE = 'foedus-theme'

export function theme(): Theme {
  const held = localStorage.getItem(PLACE)
  return held === 'light' || held === 'dark' ? held : 'system'
}

export function setTheme(wanted: Theme): void {
  if (wanted === 'system') {
    localStorage.removeItem(PLACE)
    delete document.documentElement.dataset['theme']
  } else {
    localStorage.setItem(PLACE, wanted)
    document.documentElement.dataset['theme'] = wanted
  }
}

setTheme(theme())
