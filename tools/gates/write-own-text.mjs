// Lets the dense model write text to train its gates on: JSON Lines of conversations and documents, as `gateskip fit` and `train` read them.
//
//   node tools/gates/write-own-text.mjs --model MODEL --tokens 131072 --out own.jsonl [--seed 1] [--parallel 32] [--threads N]
//
// For models whose chat template marks turns as <|im_start|>role ... <|im_end|>.
import { parseArgs } from 'node:util';
import { writeWhole } from '../quality/files.mjs';
import { wholeOption } from '../quality/option-values.mjs';
import { loadPackages } from '../quality/packages.mjs';
import { recordOf } from './own-text-record.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    tokens: { type: 'string', default: '131072' },
    out: { type: 'string' },
    seed: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '32' },
    threads: { type: 'string' },
  },
});
for (const needed of /** @type {const} */ (['model', 'out'])) if (!options[needed]) throw new Error(`Give --${needed}.`);

const [{ loadModel }, { cpuBackend }, { createEngine }, { generateCalibrationText }] = await loadPackages([
  'model',
  'backend-cpu',
  'engine',
  'train',
]);
const model = await loadModel(options.model);
const engine = await createEngine({
  model,
  backend: cpuBackend,
  load: options.threads ? { threads: wholeOption('threads', options.threads, 1) } : {},
});
let shown = -1;
const { sequences, tokens, answers } = await generateCalibrationText({
  engine,
  tokens: wholeOption('tokens', options.tokens, 1),
  seed: wholeOption('seed', options.seed, 0),
  parallel: wholeOption('parallel', options.parallel, 1),
  onProgress: (/** @type {{ done: number, total: number }} */ { done, total }) => {
    const percent = Math.floor((100 * done) / total);
    if (percent > shown) process.stderr.write(`\r${percent} % of ${total} tokens`);
    shown = percent;
  },
});
await engine.close();
const records = sequences.map((/** @type {Int32Array} */ ids) => recordOf(model.tokenizer.decode(ids, { skipSpecial: false })));
writeWhole(/** @type {string} */ (options.out), records.map((/** @type {object} */ record) => `${JSON.stringify(record)}\n`).join(''));
console.error(`\n${answers} answers, ${tokens} tokens: ${options.out}`);
