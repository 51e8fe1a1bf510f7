#!/usr/bin/env node
import { runCommandLine } from './run-command-line.js';

const controller = new AbortController();
let terminated = false;
process.on('SIGINT', () => {
  // The second one does not wait.
  if (controller.signal.aborted) process.exit(130);
  controller.abort();
});
process.on('SIGTERM', () => {
  if (controller.signal.aborted) process.exit(143);
  terminated = true;
  controller.abort();
});

const { stdin, stdout, stderr, env } = process;
stderr.on('error', () => undefined);
const exitCode = await runCommandLine(process.argv.slice(2), { stdin, stdout, stderr, env, signal: controller.signal });
process.exitCode = terminated ? 143 : exitCode;
// Idle connections and timers of libraries may hold the process; nothing of ours is left to do.
setTimeout(() => process.exit(), 200).unref();
