import { runProgram, tail } from '../../workspace/run-program.mjs';

/** Format and lint. @type {import('../check.mjs').Step} */
export async function checkStyle({ root, env, tally }) {
  const { exitCode, output } = await runProgram('biome', ['check', '--max-diagnostics=20', '--colors=off', '.'], {
    cwd: root,
    env,
    mayFail: true,
  });
  if (exitCode === 0) tally.pass();
  else tally.fail('biome check', `${tail(output, 80)}\nMost of it is repaired by: pnpm format`);
}
