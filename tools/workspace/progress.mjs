import { ProgramError, tail } from './run-program.mjs';

const heartbeatMs = 10_000;

/** @param {number} elapsedMs */
export function seconds(elapsedMs) {
  return `${(elapsedMs / 1000).toFixed(1)} s`;
}

/**
 * Does one piece of work under a title, with a line when it starts, one every ten seconds, and one when it ends.
 *
 * @template T
 * @param {string} title
 * @param {(note: (line: string) => void) => Promise<T>} work calls `note` with what it is doing; the latest note stands in the ten-second line
 * @returns {Promise<T>}
 */
export async function withProgress(title, work) {
  const started = performance.now();
  let latest = '';
  console.log(`… ${title}`);
  const heartbeat = setInterval(() => {
    console.log(`  ${seconds(performance.now() - started)}${latest ? `: ${latest.slice(0, 110)}` : ''}`);
  }, heartbeatMs);
  try {
    const result = await work((line) => {
      if (line.trim()) latest = line.trim();
    });
    console.log(`✓ ${title} (${seconds(performance.now() - started)})`);
    return result;
  } catch (error) {
    console.log(`✗ ${title} (${seconds(performance.now() - started)})`);
    if (error instanceof ProgramError) console.log(tail(error.output));
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}
