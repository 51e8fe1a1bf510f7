import type { Rule } from '@gateskip/gate';

/** A rule for every free branch, `keep` for the protected ones. */
export function branchRules(rule: Rule, isProtected: Uint8Array): Rule[] {
  return Array.from(isProtected, (flag): Rule => (flag ? 'keep' : rule));
}

/** A value for every free branch, 0 for the protected ones. */
export function branchValues(value: number, isProtected: Uint8Array): Float32Array {
  return Float32Array.from(isProtected, (flag) => (flag ? 0 : value));
}
