import { expect, it } from 'vitest';
import { lineDifference } from '../../api/line-difference.mjs';
import { Tally } from '../tally.mjs';

it('adds up, and counts a skip without a reason as a failure', () => {
  const one = new Tally();
  one.pass(3);
  one.skip('needs a GPU', 'there is none');
  const two = new Tally();
  two.fail('wrong', 'expected 1, got 2');
  two.skip('lazy', ' ');
  one.add(two);
  expect(one.summary()).toBe('3 passed, 2 failed, 1 skipped');
});

it('shows what changed between two texts, in order', () => {
  expect(lineDifference('a\nb\nc', 'a\nx\nc\nd')).toEqual(['- b', '+ x', '+ d']);
  expect(lineDifference('', 'a')).toEqual(['- ', '+ a']);
  expect(lineDifference('a\nb', 'a\nb')).toEqual([]);
});
