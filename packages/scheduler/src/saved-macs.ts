import { branchKind, branchMacs, type KvMode, type ModelShape, rowCosts } from '@gateskip/gate';

/** MACs that one row saves by skipping a branch at a context: K and V that it writes all the same are not saved. */
export function savedMacs(shape: ModelShape, branch: number, context: number, kv: KvMode): number {
  const writesKeyValue = branchKind(branch) === 'attention' && (kv === 'project' || (kv === 'alias' && branch === 0));
  return branchMacs(shape, branch, context) - (writesKeyValue ? rowCosts(shape).kvProjections : 0);
}
