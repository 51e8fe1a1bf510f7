/** One after the other; swapped in every second round, because whoever comes second finds warmer caches. */
export async function inTurns(swapped: boolean, turns: readonly (() => Promise<void>)[]): Promise<void> {
  for (const turn of swapped ? [...turns].reverse() : turns) await turn();
}
