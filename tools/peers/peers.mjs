/**
 * Peers that `gateskip bench --against` knows, at pinned versions. Only what runs on the processor is installed: a package whose
 * optional packages hold one build per graphics interface gets the plain one of this platform and no other.
 *
 * @type {Record<string, { version: string, platformPackage: () => string | undefined }>}
 */
export const peers = {
  'node-llama-cpp': {
    version: '3.22.1',
    platformPackage: () => {
      /** @type {Record<string, string>} */
      const names = {
        'linux-x64': 'linux-x64',
        'linux-arm64': 'linux-arm64',
        'darwin-x64': 'mac-x64',
        'darwin-arm64': 'mac-arm64-metal',
        'win32-x64': 'win-x64',
        'win32-arm64': 'win-arm64',
      };
      const name = names[`${process.platform}-${process.arch}`];
      return name === undefined ? undefined : `@node-llama-cpp/${name}`;
    },
  },
};
