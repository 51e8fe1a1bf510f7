import type { ChatMessage } from '@gateskip/engine';

/** What a model is asked to write on from. */
export type TrainingPrompt =
  /** A conversation through the model's chat template, ready for its answer. */
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
  /** The first words of a document; none at all: an empty page. */
  | { readonly kind: 'document'; readonly text: string };

/** Every topic in `perTopic` of the templates, in turn, so that all templates are used about equally often. `{}` = the topic. */
export function cross(templates: readonly string[], topics: readonly string[], perTopic: number): string[] {
  return topics.flatMap((topic, index) =>
    Array.from({ length: perTopic }, (_, turn) =>
      (templates[(index * perTopic + turn) % templates.length] as string).replaceAll('{}', topic),
    ),
  );
}
