import { createRandomModel, type ModelConfig, type RandomModelOptions, tensorTypes } from '@gateskip/model';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense } from '../plans.js';
import { someTokens } from '../scenario.js';
import { compareScenario, withSession } from '../session.js';

const ARCHITECTURES: readonly (readonly [name: string, config: Partial<ModelConfig>])[] = [
  ['two query heads per K/V head', {}],
  ['a K/V head per query head, half rope, tied head', { kvHeads: 4, ropeLayout: 'half', tiedEmbeddings: true }],
  ['one K/V head for all, one layer', { kvHeads: 1, layers: 1 }],
  ['three query heads per K/V head, as SmolLM2', { hiddenSize: 96, heads: 3, kvHeads: 1, headSize: 32, intermediateSize: 160 }],
  ['head size 64, attention wider than the stream', { heads: 2, kvHeads: 1, headSize: 64 }],
  ['head size 128', { hiddenSize: 128, heads: 2, kvHeads: 1, headSize: 128, ropeTheta: 100000 }],
  [
    'llama3 rope scaling',
    {
      ropeLayout: 'half',
      ropeScaling: { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 64 },
    },
  ],
  ['linear rope scaling', { ropeScaling: { kind: 'linear', factor: 4 } }],
  ['rope over half of each head', { ropeSize: 8 }],
  ['widths that are no multiple of 32', { hiddenSize: 40, heads: 5, kvHeads: 5, headSize: 8, intermediateSize: 72, vocabularySize: 101 }],
];

/** The dense model: architectures, tensor types. */
export function denseCases(options: ConformanceOptions): ConformanceCase[] {
  const compare = (random: RandomModelOptions) => async () => {
    const model = createRandomModel(random);
    const { vocabularySize } = model.config;
    const prompt = someTokens(21, vocabularySize);
    const single = (i: number) => [{ sequence: 0, tokens: [prompt[i]!] }];
    const scenario = {
      steps: [[{ sequence: 0, tokens: prompt.slice(0, 17) }], single(17), single(18), [{ sequence: 0, tokens: prompt.slice(19) }]],
      plans: [dense(model.config)],
      want: { scores: true, keptRows: true, hidden: true },
    };
    return withSession(options, model, undefined, async (session) => void (await compareScenario(session, scenario)));
  };
  return [
    ...ARCHITECTURES.map(([name, config]) => ({ name: `dense: ${name}`, run: compare({ seed: 11, config }) })),
    ...tensorTypes.map((type) => ({ name: `dense: weights in ${type}`, run: compare({ seed: 12, type }) })),
    {
      name: 'dense: a different type for each tensor',
      run: compare({
        seed: 13,
        types: (name) => tensorTypes[[...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % tensorTypes.length],
      }),
    },
  ];
}
