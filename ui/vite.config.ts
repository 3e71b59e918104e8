import { svelte } from '@sveltejs/vite-plugin-svelte'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { build, defineConfig, type Plugin } from 'vite'

/** Builds the service worker last: it names the files of this build, and changes with them. */
function serviceWorker(): Plugin {
  let folder = ''
  let made: string[] = []
  return {
    name: 'service-worker',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir
    },
    writeBundle(_options, bundle) {
      made = Object.keys(bundle).filter((name) => name !== 'index.html')
    },
    async closeBundle() {
      if (!made.length) return
      const files = ['/', ...[...made, ...readdirSync('public')].sort().map((name) => `/${name}`)]
      const version = createHash('sha256').update(files.join('\n')).digest('hex').slice(0, 12)
      await build({
        configFile: false,
        publicDir: false,
        logLevel: 'warn',
        define: { __FILES__: JSON.stringify(files), __VERSION__: JSON.stringify(version) },
        build: {
          outDir: folder,
          emptyOutDir: false,
          target: 'es2022',
          rollupOptions: {
            input: 'src/service-worker.ts',
            output: { entryFileNames: 'service-worker.js', format: 'iife' },
          },
        },
      })
    },
  }
}

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  build: {
    target: 'es2022',
    // A preload would be a style or script that waits for nobody; modules say by themselves what they need.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    rollupOptions: { checks: { pluginTimings: false }, output: { entryFileNames: 'assets/main-[hash].js', assetFileNames: 'assets/[name]-[hash][extname]' } },
  },
})
