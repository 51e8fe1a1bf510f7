/** Longest stretch of work between two turns of the event loop, as far as a chunk allows. */
const SLICE_MS = 10;
const CHUNK = 32768;

/** Runs `work` over 0..length in chunks, in order, and lets the event loop turn where that takes long. */
export async function inChunks(length: number, work: (start: number, end: number) => void): Promise<void> {
  let sliceStart = performance.now();
  for (let start = 0; start < length; start += CHUNK) {
    work(start, Math.min(length, start + CHUNK));
    if (performance.now() - sliceStart < SLICE_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    sliceStart = performance.now();
  }
}
