import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../workspace/packages.mjs';
import { seconds, withProgress } from '../workspace/progress.mjs';
import { checkApiReports } from './steps/api-reports.mjs';
import { checkBoundaries } from './steps/boundaries.mjs';
import { checkExamples } from './steps/examples.mjs';
import { checkPacked } from './steps/packed.mjs';
import { checkStyle } from './steps/style.mjs';
import { runTests } from './steps/tests.mjs';
import { turboTasks } from './steps/turbo-tasks.mjs';
import { checkTypes } from './steps/types.mjs';
import { Tally } from './tally.mjs';

/**
 * @typedef {object} StepContext
 * @property {string} root
 * @property {NodeJS.ProcessEnv} env
 * @property {Tally} tally
 * @property {string | undefined} only part of a package's folder name: tests of that package alone
 * @property {(line: string) => void} note
 * @typedef {(context: StepContext) => Promise<void>} Step
 */

/** @type {Record<string, { title: string, run: Step, needsBuild?: boolean }>} */
const steps = {
  style: { title: 'Format and lint', run: checkStyle },
  boundaries: { title: 'Package boundaries', run: checkBoundaries },
  build: { title: 'Build and types of every package', run: turboTasks('build', 'types') },
  typecheck: { title: 'Typecheck of every package and the tools', run: checkTypes },
  api: { title: 'API reports', run: checkApiReports, needsBuild: true },
  packed: { title: 'Packages as they would be published', run: checkPacked, needsBuild: true },
  examples: { title: 'README examples and links', run: checkExamples, needsBuild: true },
  tests: { title: 'Tests', run: runTests },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, help: { type: 'boolean' } } });
const unknown = positionals.filter((name) => !(name in steps));
if (values.help || unknown.length > 0) {
  console.log(
    `pnpm check [${Object.keys(steps).join('|')}]... [--only <part of a package's folder>]\nWithout a name: all of them, in this order.`,
  );
  process.exit(unknown.length > 0 ? 2 : 0);
}

const env = {
  ...process.env,
  PATH: [join(repositoryRoot, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  DO_NOT_TRACK: '1',
};
const started = performance.now();
const total = new Tally();
let built = true;
for (const [name, step] of Object.entries(steps)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const tally = new Tally();
  if (step.needsBuild && !built) {
    tally.skip(step.title, 'the build failed');
  } else {
    await withProgress(step.title, async (note) => {
      await step.run({ root: repositoryRoot, env, tally, only: values.only, note });
      if (tally.failures.length > 0) throw new Error(`${tally.failures.length} failed`);
    }).catch((error) => {
      if (tally.failures.length === 0) tally.fail(step.title, error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
  }
  for (const { name: failed, message } of tally.failures) console.log(`\n✗ ${failed}\n${message.replace(/^/gm, '    ')}\n`);
  if (name === 'build' && tally.failures.length > 0) built = false;
  total.add(tally);
}

if (total.skips.length > 0) {
  console.log(`\nLeft out:\n${total.skips.map(({ name, reason }) => `  - ${name}: ${reason}`).join('\n')}`);
}
if (total.failures.length > 0) console.log(`\nFailed:\n${total.failures.map(({ name }) => `  - ${name}`).join('\n')}`);
console.log(`\nTook ${seconds(performance.now() - started)}.`);
console.log(total.summary());
process.exitCode = total.failures.length > 0 ? 1 : 0;
