import { defineConfig } from 'vite';

/** Builds the page at /console/ into static files; scripts/setup/build.mjs runs it. */
export default defineConfig({
  root: 'src/console',
  // A proxy may add a path prefix, which the page does not know.
  base: './',
  publicDir: false,
  build: {
    target: 'es2022',
    // Small files are not turned into data: URLs, which the Content-Security-Policy forbids.
    assetsInlineLimit: 0,
    // Nor is a script with the polyfill for browsers that know no `modulepreload`.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  // A classic script: only such a one can load the dissectors, which are no module. Its folder has a Content-Security-Policy of its own.
  worker: {
    format: 'iife',
    rollupOptions: { output: { entryFileNames: 'dissector/[name]-[hash].js' } },
  },
});
