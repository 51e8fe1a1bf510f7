import { cross } from './training-prompt.js';

/** Own writing of many kinds, to be worked on. */
const passages = [
  'The old mill stands where the river bends. For two hundred years it ground the corn of three villages, until the railway brought cheaper flour from the city. Today a family of potters lives in it, and on Sundays they sell bowls and cups to walkers.',
  'Our shop opens at nine and closes at six. On Saturdays we close at two. Orders that reach us before noon are sent on the same day. If something is broken when it arrives, tell us within a week and we replace it.',
  'Bats find their way by sound. They call in tones too high for human ears and listen for the echo. From the delay they know how far away a moth is, and from the change in pitch how fast it flies.',
  'I waited for an hour. Nobody came. The lamp above the door flickered twice and went out. Then I heard steps on the stairs, slow and uneven, and I knew that he had come back after all.',
  'The council decided on Tuesday to close the main street to cars for the summer. Shop owners are divided: some fear for their customers, others hope for tables outside and quieter evenings. A vote will follow in October.',
  'To make the dough, mix flour, salt and yeast, add lukewarm water and knead for ten minutes. Let it rest for an hour under a cloth. Shape it into a loaf, cut the top and bake it until the crust sounds hollow.',
  'The committee has examined the proposal submitted by the department. While it acknowledges the need for additional staff, it regrets that in view of the current budgetary situation it is unable to approve the expenditure at this time.',
  'When water freezes it grows. Most substances shrink when they turn solid, but the molecules of ice hold each other at a distance. That is why ice floats, why pipes burst in winter, and why lakes freeze from above.',
  'Maria started to work at the factory when she was sixteen. At night she learned bookkeeping. At thirty she led the office, at forty the company, and at fifty she gave half of it to the people who worked there.',
  'The phone is light and fits into one hand. Its screen is bright, its battery lasts for two days. The camera is good in sunlight and poor at dusk. For the price it is hard to find anything better.',
  'First the pawns move out to the centre. Then knights and bishops follow, and the king goes into safety. Whoever moves the same piece again and again while the others sleep at home will soon be in trouble.',
  'Last year the library lent 48,000 books, nine percent more than the year before. Most of the growth came from children. The number of visitors fell slightly, because more people now reserve their books from home.',
];

const templates = [
  'Summarise this text in one sentence:\n\n{}',
  'Give this text a title and say why it fits:\n\n{}',
  'Rewrite this text for children:\n\n{}',
  'Write three questions that this text answers, with the answers:\n\n{}',
  'List the key facts of this text as bullet points:\n\n{}',
  'Continue this text with one more paragraph in the same style:\n\n{}',
  'Rewrite this text as a formal letter:\n\n{}',
  'Translate this text into Spanish:\n\n{}',
  'What is the tone of this text? Quote the words that show it.\n\n{}',
  'Rewrite this text in half as many words:\n\n{}',
  'Return a JSON object with the fields "topic", "people" and "numbers" for this text:\n\n{}',
];

export const rewritingPrompts: readonly string[] = cross(templates, passages, 6);
