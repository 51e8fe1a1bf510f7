/** Uniform in [0, 1): a function of its arguments alone, so that a run that goes on draws what it would have drawn. */
export function randomShare(seed: number, update: number, microBatch: number): number {
  let h = (seed ^ 0x9e3779b9) >>> 0;
  for (const word of [update >>> 0, Math.floor(update / 4294967296), microBatch]) {
    h = Math.imul(h ^ word, 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
    h = (h ^ (h >>> 16)) >>> 0;
  }
  return h / 4294967296;
}
