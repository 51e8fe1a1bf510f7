import { camelCase } from '../names.mjs';
import { packageSkeleton } from '../package-skeleton.mjs';

/** @type {import('../generate.mjs').Generator} */
export const backendGenerator = {
  describe: 'packages/backend-<name>: a backend that cannot run yet, held to the conformance kit',
  plan(name) {
    const folderName = `backend-${name}`;
    const value = `${camelCase(name)}Backend`;
    const files = packageSkeleton({
      folderName,
      description: `The ${name} backend`,
      dependencies: ['errors', 'backend', 'model'],
      testDependencies: ['backend-reference'],
      example: `import { ${value} } from '@gateskip/${folderName}';

const { available, reasons } = await ${value}.probe();
console.log(available ? 'ready' : reasons.join('\\n'));`,
      exampleName: 'probe',
    });
    return {
      files: {
        ...files,
        [`packages/${folderName}/src/index.ts`]: `export { ${value} } from './${name}-backend.js';\n`,
        [`packages/${folderName}/src/${name}-backend.ts`]: `import type { Availability, Backend, BackendRequest, LoadOptions, Runner } from '@gateskip/backend';
import { BackendUnavailableError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';

const reasons = ['The ${name} backend has no kernels yet.'];

/** Runs a model on ${name}. */
export const ${value}: Backend = {
  name: '${name}',

  async probe(): Promise<Availability> {
    return { available: false, reasons, details: {} };
  },

  async explain(_request: BackendRequest): Promise<readonly string[]> {
    return reasons;
  },

  async load(_model: Model, _options: LoadOptions = {}): Promise<Runner> {
    throw new BackendUnavailableError('${name}', reasons, 'Use another backend.');
  },
};
`,
        [`packages/${folderName}/test/conformance.test.ts`]: `import { conformanceCases } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { describe, it } from 'vitest';
import { ${value} } from '../src/index.js';

describe('conformance', () => {
  for (const conformanceCase of conformanceCases({ backend: ${value}, oracle: referenceBackend })) {
    it(conformanceCase.name, async (context) => {
      const reason = await conformanceCase.run();
      if (reason) context.skip(reason);
    });
  }
});
`,
      },
      edits: [],
      next: [
        'pnpm install',
        `pnpm check tests --only packages/${folderName}`,
        'register it where the command line builds its registry (apps/cli)',
      ],
    };
  },
};
