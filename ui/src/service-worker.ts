// Keeps this page's own files, so that the installed page opens at once and says itself when the node is away.
// It never touches the API: what the node says is not kept.

/// <reference lib="webworker" />
declare const self: ServiceWorkerGlobalScope
declare const __FILES__: string[]
declare const __VERSION__: string

const CACHE = `foedus-${__VERSION__}`
const OWN = new Set(__FILES__)

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(__FILES__.filter((file) => file === '/' || file.startsWith('/assets/main'))))
      .then(() => self.skipWaiting()),
  )
})

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  )
})

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (event.request.method !== 'GET' || url.origin !== self.location.origin || url.search || !OWN.has(url.pathname)) return
  event.respondWith(url.pathname.startsWith('/assets/') ? kept(event.request) : fresh(event.request))
})

/** A file whose name has its hash: once fetched, for good. */
async function kept(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  const held = await cache.match(request)
  if (held) return held
  const response = await fetch(request)
  if (response.ok) await cache.put(request, response.clone())
  return response
}

/** A file that keeps its name: from the node, and where it is away, as it was. */
async function fresh(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  try {
    const response = await fetch(request)
    if (response.ok) await cache.put(request, response.clone())
    return response
  } catch (error) {
    const held = await cache.match(request)
    if (held) return held
    throw error
  }
}
