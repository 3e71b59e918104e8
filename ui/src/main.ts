import './style/base.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { session } from './live/session.svelte.ts'
import './live/theme.ts'

/** What browsers have of Trusted Types; TypeScript does not know them yet. */
interface Policies {
  trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(text: string): unknown } }
}

mount(App, { target: document.getElementById('page')! })
void session.start()

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  // The policy lets this page make an address of a script here, and only this one.
  const own = (window as Policies).trustedTypes?.createPolicy('foedus-worker', { createScriptURL: () => '/service-worker.js' })
  const address = (own?.createScriptURL('') ?? '/service-worker.js') as string
  // Where it cannot be had (a private window, a certificate of one's own), the page does without.
  void navigator.serviceWorker.register(address).catch(() => undefined)
}
