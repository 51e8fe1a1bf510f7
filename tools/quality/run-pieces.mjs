import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** A report's way to work: a file a piece, stopped at any moment, gone on with by the same command. */
export function pieceRunner() {
  const stop = new AbortController();
  let stoppedBy = 0;
  for (const [signal, number] of /** @type {const} */ ([
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ])) {
    // Programs like timeout send it twice; the second must not cut short what the first has begun.
    process.on(signal, () => {
      stoppedBy = number;
      stop.abort();
    });
  }
  const startedMs = performance.now();
  /** @param {string} line */
  const log = (line) => console.error(`${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${line}`);

  /**
   * @template {{ name: string }} P
   * @template R
   * @param {readonly P[]} pieces @param {string} out folder
   * @param {{ isStale?: (piece: P) => boolean, open: (left: readonly P[]) => Promise<R & { close(): Promise<void> }>,
   *   measure: (piece: P, run: R) => Promise<string> }} work `isStale`: its file is there and counts for nothing
   */
  async function runPieces(pieces, out, { isStale = () => false, open, measure }) {
    mkdirSync(out, { recursive: true });
    const left = pieces.filter((piece) => !existsSync(join(out, `${piece.name}.json`)) || isStale(piece));
    log(`${pieces.length - left.length} of ${pieces.length} pieces are there`);
    if (left.length > 0) await runLeft(left, { open, measure });
    process.exitCode = stoppedBy === 0 ? 0 : 128 + stoppedBy;
  }

  /** @type {(left: readonly any[], work: any) => Promise<void>} */
  async function runLeft(left, { open, measure }) {
    let run;
    try {
      run = await open(left);
      for (const [index, piece] of left.entries()) {
        stop.signal.throwIfAborted();
        const beganMs = performance.now();
        const note = await measure(piece, run);
        const tookSeconds = ((performance.now() - beganMs) / 1000).toFixed(0);
        log(`${index + 1} of ${left.length}: ${piece.name}, ${tookSeconds} s${note ? `, ${note}` : ''}`);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      log('stopped; the same command goes on');
    } finally {
      await run?.close();
    }
  }

  return { signal: stop.signal, log, runPieces };
}
