import { runCommandLine } from 'gateskip';

const { stdin, stdout, stderr, env } = process;
const signal = AbortSignal.timeout(60_000);
process.exitCode = await runCommandLine(['doctor'], { stdin, stdout, stderr, env, signal });
