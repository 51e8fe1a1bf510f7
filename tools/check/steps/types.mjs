import { join } from 'node:path';
import { runProgram, tail } from '../../workspace/run-program.mjs';
import { turboTasks } from './turbo-tasks.mjs';

const packages = turboTasks('typecheck');

/** Sources, tests and examples of every package, and the tools by their JSDoc. @type {import('../check.mjs').Step} */
export async function checkTypes(context) {
  const { root, env, tally } = context;
  await packages(context);
  const { exitCode, output } = await runProgram('tsc', ['-p', join(root, 'tools')], { cwd: root, env, mayFail: true });
  if (exitCode === 0) tally.pass();
  else tally.fail('typecheck of tools/', tail(output));
}
