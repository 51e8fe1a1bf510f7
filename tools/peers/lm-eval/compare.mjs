// Compares `gateskip eval` with lm-evaluation-harness, item by item, on the same model and the same records.
//
//   node tools/peers/install.mjs lm-eval
//   node tools/peers/lm-eval/compare.mjs MODEL --data FOLDER [--tasks hellaswag,piqa,arc_easy,lambada] [--limit 200]
//       [--threads N] [--budget net=85%] [--least 98] [--work FOLDER] [--json] [--python FILE] [--transformers ARGUMENTS]
//
// FOLDER holds <task>/<split>.jsonl as `gateskip eval --data` reads it; the first --limit records are taken. The harness asks
// endpoint.mjs; or, with --transformers, PyTorch: its arguments are those of the harness's model "hf", e.g.
// pretrained=FOLDER,gguf_file=weights-f32.gguf,dtype=float32, and --python names a Python that has transformers too. Ends with code 1 where fewer than --least percent of a task's choices are the same.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../workspace/packages.mjs';
import { compareTask, describe } from './agreement.mjs';
import { startEndpoint } from './endpoint.mjs';
import { endpointModel, findHarness, installedPython, layOut, run, runHarness } from './harness.mjs';
import { taskFiles } from './records.mjs';

const text = { type: /** @type {const} */ ('string') };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: text,
    tasks: { ...text, default: Object.keys(taskFiles).join(',') },
    limit: { ...text, default: '200' },
    threads: text,
    budget: text,
    least: { ...text, default: '98' },
    work: text,
    transformers: text,
    python: { ...text, default: installedPython },
    json: { type: 'boolean', default: false },
  },
});
const [model] = positionals;
const tasks = values.tasks.split(',');
const unknown = tasks.find((task) => !(task in taskFiles));
const limit = Number(values.limit);
if (model === undefined || values.data === undefined || unknown !== undefined || !(Number.isInteger(limit) && limit > 0)) {
  if (unknown !== undefined) console.error(`There is no task "${unknown}" here.`);
  console.error(
    `node tools/peers/lm-eval/compare.mjs MODEL --data FOLDER [--tasks ${Object.keys(taskFiles).join(',')}] [--limit 200] [--threads N]`,
  );
  process.exit(2);
}
const { budget, threads, transformers } = values;
if (transformers !== undefined && budget !== undefined) {
  console.error('PyTorch knows no budgets: give --budget or --transformers.');
  process.exit(2);
}
const harness = await findHarness(values.python);
const work = values.work === undefined ? await mkdtemp(join(tmpdir(), 'gateskip-lm-eval-')) : resolve(values.work);
try {
  const counts = await layOut(harness, work, values.data, tasks, limit);
  const theirs = await askHarness();
  const ours = await askGateskip();
  const run = ours.runs.at(-1);
  const agreements = tasks.map((task) => {
    const byId = new Map(run.tasks[task].perItem.map((/** @type {any} */ item) => [item.id, item]));
    // Ids are line numbers of the file that was laid out.
    return compareTask(
      task,
      Array.from({ length: counts[task] }, (_, index) => byId.get(String(index + 1))),
      theirs.samples[task],
    );
  });
  const versions = { 'lm-evaluation-harness': harness.version, ...ours.versions };
  const conditions = { model: ours.model, backend: ours.backend, run: run.label, processor: cpus()[0]?.model ?? 'unknown', versions };
  if (values.json) console.log(JSON.stringify({ ...conditions, endpoint: theirs.counts, tasks: agreements }));
  else console.log(`${JSON.stringify(conditions)}\n\n${describe(agreements)}`);
  const least = Number(values.least) / 100;
  if (agreements.some(({ items, sameAcc, sameAccNorm = items }) => Math.min(sameAcc, sameAccNorm) < least * items)) process.exitCode = 1;
} finally {
  if (values.work === undefined) await rm(work, { recursive: true, force: true });
}

async function askHarness() {
  if (transformers !== undefined)
    return { samples: await runHarness(harness, work, tasks, { model: 'hf', given: transformers }), counts: null };
  const endpoint = await startEndpoint({ model, ...(budget && { budget }), ...(threads && { threads: Number(threads) }) });
  try {
    return { samples: await runHarness(harness, work, tasks, endpointModel(endpoint)), counts: endpoint.counts };
  } finally {
    await endpoint.close();
  }
}

async function askGateskip() {
  const out = join(work, 'gateskip.json');
  const words = ['eval', model, '--tasks', tasks.join(','), '--data', join(work, 'data'), '--speed-rounds', '0', '--force', '--out', out];
  if (threads) words.push('--threads', threads);
  words.push(...(budget ? ['--budget', budget, '--no-dense'] : ['--adapter', 'none']));
  await run(process.execPath, [join(repositoryRoot, 'apps', 'cli', 'dist', 'main.js'), ...words], {});
  return JSON.parse(await readFile(out, 'utf8'));
}
