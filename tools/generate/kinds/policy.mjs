import { insertBefore, insertImport } from '../edits.mjs';
import { camelCase } from '../names.mjs';

const folder = 'packages/scheduler';
const list = `${folder}/src/policies.ts`;

/** @type {import('../generate.mjs').Generator} */
export const policyGenerator = {
  describe: 'a skipping policy in packages/scheduler that keeps everything, listed, with a test that wants it to skip',
  plan(name) {
    const factory = `${camelCase(name)}Policy`;
    return {
      files: {
        [`${folder}/src/policies/${name}.ts`]: `import { branchCount } from '@gateskip/gate';
import { fixedPolicy, fullPlan } from '../fixed-policy.js';
import { readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';

/** What it skips and why, in one line. */
export const ${factory}: PolicyFactory = {
  name: '${name}',
  description: 'what it skips, in one line for the help text',
  source: 'gateskip',
  couplesSequences: false,
  needs: [],
  // test/promises.test.ts holds it to this word; it fails until the policy skips.
  promises: 'at-most',
  create(context: PolicyContext): Policy {
    checkContext(${factory}, context);
    const { pinnedTokens, kv, standIns } = readOptions(context);
    const plan = { ...fullPlan(branchCount(context.shape), context.gates), kv, ...standIns };
    return fixedPolicy(${factory}, context, plan, pinnedTokens);
  },
};
`,
        [`${folder}/test/policies/${name}.test.ts`]: `import { branchCount, type ModelShape } from '@gateskip/gate';
import { expect, it } from 'vitest';
import { createPolicy } from '../../src/index.js';

const shape: ModelShape = { layers: 8, hiddenSize: 64, heads: 4, kvHeads: 2, headSize: 16, intermediateSize: 128, vocabularySize: 256 };

it('${name} skips about as much as it is asked to', () => {
  const sequence = createPolicy('${name}', { shape, budget: { skip: 0.5 } }).open({ promptTokens: 1 });
  const { rules } = sequence.plan(0, 1);
  expect(rules).toHaveLength(branchCount(shape));
  expect(rules.some((rule) => rule !== 'keep')).toBe(true);
});
`,
      },
      edits: [
        { path: list, change: insertImport('./policies/', `./policies/${name}.js`, `import { ${factory} } from './policies/${name}.js';`) },
        { path: list, change: insertBefore('\n];', `\n  ${factory},`) },
      ],
      next: [
        'pnpm check tests --only packages/scheduler: its own test and its promise fail until it skips',
        'say in its comment what it follows, and credit the paper in `source`',
      ],
    };
  },
};
