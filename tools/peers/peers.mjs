/** @param {Record<string, string>} names @returns {string | undefined} */
const forThisPlatform = (names) => names[`${process.platform}-${process.arch}`];

/**
 * Peers that `gateskip bench --against` knows, and lm-evaluation-harness, at pinned versions. Only what runs on the processor
 * is installed. `requirement`: taken as ready builds; otherwise pip builds the package of that name here.
 *
 * @type {Record<string, { version: string, kind: 'npm', packages: () => readonly string[] | undefined } | { version: string, kind: 'pip', requirement?: string }>}
 */
export const peers = {
  // Optional packages hold one build per graphics interface: the plain one of this platform is named, and no other.
  'node-llama-cpp': {
    version: '3.22.1',
    kind: 'npm',
    packages() {
      const name = forThisPlatform({
        'linux-x64': 'linux-x64',
        'linux-arm64': 'linux-arm64',
        'darwin-x64': 'mac-x64',
        'darwin-arm64': 'mac-arm64-metal',
        'win32-x64': 'win-x64',
        'win32-arm64': 'win-arm64',
      });
      return name && [`@node-llama-cpp/${name}`];
    },
  },
  // Built here, for this very processor: needs a C++ compiler, cmake and some minutes.
  'llama-cpp-python': { version: '0.3.36', kind: 'pip' },
  // The library for processors is in the package itself; its install script would only fetch one for graphics cards.
  'onnxruntime-node': {
    version: '1.30.0',
    kind: 'npm',
    packages: () =>
      forThisPlatform({ 'linux-x64': '-', 'linux-arm64': '-', 'darwin-arm64': '-', 'win32-x64': '-', 'win32-arm64': '-' }) && [],
  },
  // For tools/peers/lm-eval: what asks an endpoint needs neither PyTorch nor transformers.
  'lm-eval': { version: '0.4.13', kind: 'pip', requirement: 'lm_eval[api]' },
};
