import { insertBefore } from '../edits.mjs';
import { camelCase } from '../names.mjs';
import { packageSkeleton } from '../package-skeleton.mjs';

/** @type {import('../generate.mjs').Generator} */
export const packageGenerator = {
  describe: 'a library under packages/, in a layer of its own above errors and gate',
  plan(name) {
    const call = camelCase(name);
    const files = packageSkeleton({
      folderName: name,
      description: `What ${name} is for, in one line`,
      dependencies: ['errors'],
      example: `import { ${call} } from '@gateskip/${name}';\n\nconsole.log(${call}(1));`,
      exampleName: name,
    });
    return {
      files: {
        ...files,
        [`packages/${name}/src/index.ts`]: `export { ${call} } from './${name}.js';\n`,
        [`packages/${name}/src/${name}.ts`]: `import { InvalidArgumentError } from '@gateskip/errors';

/**
 * What it does, in one line.
 *
 * @throws InvalidArgumentError where \`value\` is not finite
 */
export function ${call}(value: number): number {
  if (!Number.isFinite(value)) throw new InvalidArgumentError(\`\${value} is not a finite number.\`, 'Give a finite one.', { got: value });
  return value;
}
`,
        [`packages/${name}/test/${name}.test.ts`]: `import { expect, it } from 'vitest';
import { ${call} } from '../src/index.js';

it('does what ${name} is for', () => {
  expect(${call}(1), 'Write here what is right, then make it pass.').toBe(2);
});
`,
      },
      edits: [
        {
          path: 'tools/boundaries/layers.mjs',
          change: insertBefore("  evaluate: ['errors'", `  ${name.includes('-') ? `'${name}'` : name}: ['errors', 'gate'],\n`),
        },
      ],
      next: ['pnpm install', `put the layer of ${name} right in tools/boundaries/layers.mjs`, `pnpm check tests --only packages/${name}`],
    };
  },
};
