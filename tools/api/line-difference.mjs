/**
 * The lines that two texts do not share, in order: `-` only in the first, `+` only in the second (longest common subsequence).
 *
 * @param {string} before
 * @param {string} after
 * @returns {string[]}
 */
export function lineDifference(before, after) {
  const old = before.split('\n');
  const now = after.split('\n');
  // [old.length + 1, now.length + 1] length of the common subsequence from here on
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i][j] = old[i] === now[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const difference = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) {
      difference.push(`- ${old[i]}`);
      i += 1;
    } else {
      difference.push(`+ ${now[j]}`);
      j += 1;
    }
  }
  return difference;
}
