/** The JSON header of a file of ours: an object of which one field lists the arrays that follow, each as [name, length]. */
export interface SizedHeader {
  readonly header: Readonly<Record<string, unknown>>;
  readonly sizes: readonly (readonly [name: string, length: number])[];
}

/** Lengths are whole and not negative; whether they fit their file is for the caller to say before it allocates. */
export function parseSizedHeader(text: string, field: string, fail: (why: string) => never): SizedHeader {
  let header: Record<string, unknown> | null;
  try {
    header = JSON.parse(text);
  } catch {
    return fail('its header is not JSON');
  }
  const sizes = header?.[field];
  if (header === null || !Array.isArray(sizes)) return fail(`its header names no ${field}`);
  for (const entry of sizes as unknown[]) {
    const [name, length] = Array.isArray(entry) ? entry : [];
    if (typeof name !== 'string' || !Number.isSafeInteger(length) || length < 0) return fail(`one of its ${field} has no name or length`);
  }
  return { header, sizes };
}
