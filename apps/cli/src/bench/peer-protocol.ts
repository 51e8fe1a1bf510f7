/** What the bench asks a peer's process; one answer each, in order. Programs in Python get and give it as lines of JSON. */
export type PeerRequest =
  | {
      readonly command: 'open';
      /** Where a Node peer's module is. */
      readonly moduleUrl?: string;
      /** The GGUF file, or the folder of what was exported from it. */
      readonly modelPath: string;
      readonly contextTokens: number;
    }
  | { readonly command: 'decode'; readonly threads: number; readonly prompt: readonly number[]; readonly tokens: number }
  | { readonly command: 'prefill'; readonly threads: number; readonly prompt: readonly number[] };

export type PeerAnswer =
  | { readonly details: Readonly<Record<string, string | number | boolean>> }
  | { readonly tokensPerSecond: number }
  | { readonly error: string };
