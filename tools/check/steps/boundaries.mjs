import { findViolations } from '../../boundaries/find-violations.mjs';

/** @type {import('../check.mjs').Step} */
export async function checkBoundaries({ root, tally }) {
  const { violations } = findViolations(root);
  for (const { rule, place, message } of violations) tally.fail(`boundaries: ${rule} at ${place}`, message);
  if (violations.length === 0) tally.pass();
}
