/**
 * Compares what `gateskip eval` and lm-evaluation-harness made of the same items.
 *
 * @typedef {import('./harness.mjs').Sample} Sample
 * @typedef {{ logprobs: number[], choice?: number, choiceNorm?: number, scores: Record<string, number> }} OurItem
 * @typedef {{ item: number, differs: string[], lines: { text: string, ours: number, theirs: number, characters: number, bytes: number }[],
 *   ours: Choices, theirs: Choices }} Difference
 * @typedef {{ acc: number, accNorm?: number }} Choices choice of each rule; of a last word 1 where greedy decoding writes it
 * @typedef {{ task: string, items: number, sameAcc: number, sameAccNorm?: number, oursAcc: number, theirsAcc: number,
 *   oursAccNorm?: number, theirsAccNorm?: number, logprobs: number, meanDifference: number, largestDifference: number,
 *   identical: number, differences: Difference[] }} TaskAgreement
 */

/** @param {readonly number[]} values the first among equals, as numpy's argmax */
const argmax = (values) => values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The harness prints metrics, not choices: its choices are taken from its log-probabilities by its own rules (`acc_norm`
 * divides by the characters of the choice, without the space before it), and must give the metrics that it printed.
 *
 * @param {Sample} sample @returns {Choices}
 */
export function harnessChoices({ choices, acc, accNorm, target }) {
  if (accNorm === undefined) return { acc: choices[0].isGreedy ? 1 : 0 };
  const logprobs = choices.map(({ logprob }) => logprob);
  const lengths = choices.map(({ continuation }) => [...continuation].length - 1);
  const chosen = { acc: argmax(logprobs), accNorm: argmax(logprobs.map((logprob, index) => logprob / lengths[index])) };
  if ((chosen.acc === Number(target) ? 1 : 0) !== acc || (chosen.accNorm === Number(target) ? 1 : 0) !== accNorm)
    throw new Error(`The harness says acc ${acc} and acc_norm ${accNorm} of target ${target}, its log-probabilities say otherwise.`);
  return chosen;
}

/** @param {string} task @param {readonly OurItem[]} ours @param {readonly Sample[]} theirs @returns {TaskAgreement} */
export function compareTask(task, ours, theirs) {
  if (ours.length !== theirs.length) throw new Error(`${task}: ${ours.length} items here, ${theirs.length} in the harness.`);
  const apart = [];
  const differences = [];
  const all = ours.map((item, index) => {
    const sample = theirs[index];
    if (item.logprobs.length !== sample.choices.length)
      throw new Error(`${task}, item ${index + 1}: ${item.logprobs.length} choices here, ${sample.choices.length} in the harness.`);
    for (const [at, logprob] of item.logprobs.entries()) apart.push(Math.abs(logprob - sample.choices[at].logprob));
    const theirChoices = harnessChoices(sample);
    /** @type {Choices} */
    const ourChoices =
      sample.accNorm === undefined
        ? { acc: item.scores.acc }
        : { acc: /** @type {number} */ (item.choice), accNorm: /** @type {number} */ (item.choiceNorm) };
    const differs = [
      ...(ourChoices.acc === theirChoices.acc ? [] : ['acc']),
      ...(ourChoices.accNorm === theirChoices.accNorm ? [] : ['acc_norm']),
    ];
    if (differs.length > 0)
      differences.push({
        item: index + 1,
        differs,
        ours: ourChoices,
        theirs: theirChoices,
        lines: sample.choices.map(({ continuation, logprob }, at) => ({
          text: continuation.slice(1),
          ours: item.logprobs[at],
          theirs: logprob,
          characters: [...continuation].length - 1,
          bytes: Buffer.byteLength(continuation) - 1,
        })),
      });
    return { item, sample, differs };
  });
  const hasNorm = theirs[0].accNorm !== undefined;
  return {
    task,
    items: all.length,
    sameAcc: all.filter(({ differs }) => !differs.includes('acc')).length,
    oursAcc: mean(all.map(({ item }) => item.scores.acc)),
    theirsAcc: mean(all.map(({ sample }) => sample.acc)),
    ...(hasNorm && {
      sameAccNorm: all.filter(({ differs }) => !differs.includes('acc_norm')).length,
      oursAccNorm: mean(all.map(({ item }) => item.scores.acc_norm)),
      theirsAccNorm: mean(all.map(({ sample }) => /** @type {number} */ (sample.accNorm))),
    }),
    logprobs: apart.length,
    meanDifference: mean(apart),
    largestDifference: apart.reduce((most, value) => Math.max(most, value), 0),
    identical: apart.filter((value) => value === 0).length,
    differences,
  };
}

/** @param {readonly TaskAgreement[]} tasks @returns {string} a Markdown table, then every item that differs */
export function describe(tasks) {
  const share = (/** @type {number | undefined} */ same, /** @type {number} */ of) =>
    same === undefined ? '' : `${((100 * same) / of).toFixed(1)} % (${same}/${of})`;
  const both = (/** @type {number | undefined} */ ours, /** @type {number | undefined} */ theirs) =>
    ours === undefined || theirs === undefined ? '' : `${ours.toFixed(4)} / ${theirs.toFixed(4)}`;
  const lines = [
    '| task | same choice (acc) | same choice (acc_norm) | acc, ours / harness | acc_norm, ours / harness | log-probs | mean difference | largest |',
    '| --- | --- | --- | --- | --- | ---: | ---: | ---: |',
    ...tasks.map((task) => {
      const { items, sameAcc, sameAccNorm, logprobs, meanDifference, largestDifference } = task;
      const cells = [task.task, share(sameAcc, items), share(sameAccNorm, items), both(task.oursAcc, task.theirsAcc)];
      cells.push(
        both(task.oursAccNorm, task.theirsAccNorm),
        String(logprobs),
        meanDifference.toExponential(1),
        largestDifference.toExponential(1),
      );
      return `| ${cells.join(' | ')} |`;
    }),
  ];
  for (const { task, differences } of tasks)
    for (const { item, differs, ours, theirs, lines: choices } of differences) {
      lines.push(
        '',
        `${task}, item ${item}: ${differs.join(' and ')} differ (ours ${JSON.stringify(ours)}, harness ${JSON.stringify(theirs)})`,
      );
      for (const { text, ours: own, theirs: other, characters, bytes } of choices)
        lines.push(`  ${own.toFixed(6)} / ${other.toFixed(6)}  ${characters} characters, ${bytes} bytes  ${JSON.stringify(text)}`);
    }
  return lines.join('\n');
}
