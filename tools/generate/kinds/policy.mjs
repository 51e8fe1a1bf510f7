import { camelCase } from '../names.mjs';

const folder = 'packages/scheduler';

/** @type {import('../generate.mjs').Generator} */
export const policyGenerator = {
  describe: 'a skipping policy in packages/scheduler that keeps everything, listed, with a test that wants it to skip',
  plan(name) {
    const factory = `${camelCase(name)}Policy`;
    return {
      files: {
        [`${folder}/src/policies/${name}.ts`]: `import { densePlan } from '@gateskip/gate';
import type { Policy, PolicyContext, PolicyFactory, SequencePolicy } from '../policy.js';

const positionsPerPlan = 16;

/** What it skips and why, in one line. Everything that adapts belongs in here: it is one sequence's own. */
function openSequence(context: PolicyContext): SequencePolicy {
  return {
    wantsScores: false,
    spanAt: (position) => positionsPerPlan - (position % positionsPerPlan),
    plan: (_position, _rows) => densePlan(2 * context.shape.layers),
    observe: (_observation) => {},
    fork: () => openSequence(context),
  };
}

export const ${factory}: PolicyFactory = {
  name: '${name}',
  description: 'what it skips, in one line for the help text',
  source: 'gateskip',
  couplesSequences: false,
  needs: [],
  create(context): Policy {
    return { name: '${name}', budget: context.budget, couplesSequences: false, open: () => openSequence(context) };
  },
};
`,
        [`${folder}/test/policies/${name}.test.ts`]: `import { branchCount, type ModelShape } from '@gateskip/gate';
import { expect, it } from 'vitest';
import { createPolicy } from '../../src/index.js';

const shape: ModelShape = { layers: 4, hiddenSize: 64, heads: 4, kvHeads: 2, headSize: 16, intermediateSize: 128, vocabularySize: 256 };

it('${name} skips about as much as it is asked to', () => {
  const sequence = createPolicy('${name}', { shape, budget: { skip: 0.5 } }).open({ promptTokens: 1 });
  const { rules } = sequence.plan(1, sequence.spanAt(1));
  expect(rules).toHaveLength(branchCount(shape));
  expect(rules.some((rule) => rule !== 'keep')).toBe(true);
});
`,
      },
      edits: [
        {
          path: `${folder}/src/policies/index.ts`,
          before: 'export const policies',
          insert: `import { ${factory} } from './${name}.js';\n`,
        },
        { path: `${folder}/src/policies/index.ts`, before: '];', insert: `  ${factory},\n` },
      ],
      next: [`pnpm check tests --only packages/scheduler`, 'say in its comment what it follows, and credit the paper in `source`'],
    };
  },
};
