/** What the bench asks a peer's process; one answer each, in order. */
export type PeerRequest =
  | { readonly command: 'open'; readonly moduleUrl: string; readonly modelPath: string; readonly contextTokens: number }
  | { readonly command: 'threads'; readonly threads: number }
  | { readonly command: 'decode'; readonly threads: number; readonly prompt: readonly number[]; readonly tokens: number }
  | { readonly command: 'prefill'; readonly threads: number; readonly prompt: readonly number[] };

export type PeerAnswer =
  | { readonly details: Readonly<Record<string, string | number | boolean>> }
  | { readonly tokensPerSecond: number }
  | { readonly error: string };
