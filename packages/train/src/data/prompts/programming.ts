import { cross } from './training-prompt.js';

const taskTemplates = [
  'Write a Python function that {}.',
  'Write a JavaScript function that {}, with a short explanation.',
  'Write a C program that {}.',
  'In which steps would you write a program that {}? Answer in words first, then in pseudocode.',
  'Write tests for a function that {}.',
];

const tasks = [
  'reverses the words of a sentence',
  'counts how often each letter occurs in a text',
  'checks whether a year is a leap year',
  'sorts a list of names by their length',
  'finds the largest common divisor of two numbers',
  'removes duplicates from a list',
  'converts temperatures from Celsius to Fahrenheit',
  'prints the multiplication table up to ten',
  'reads a CSV file and adds up one column',
  'merges two sorted lists',
  'finds all prime numbers below a limit',
  'checks whether brackets in a text are balanced',
  'computes the factorial of a number',
  'turns a number into Roman numerals',
  'searches a sorted list by halving',
  'computes the average and the median of a list',
  'shuffles a deck of cards',
  'validates an email address',
];

const conceptTemplates = [
  'Explain {} to someone who has just begun to program.',
  'What is {}? Give a small example in code.',
  'When would you use {}, and when not?',
  'Compare {} with an alternative.',
];

const concepts = [
  'a hash table',
  'recursion',
  'a linked list',
  'version control with Git',
  'a REST interface',
  'object-oriented programming',
  'a unit test',
  'a database index',
  'a regular expression',
  'caching',
  'a binary search tree',
  'a race condition',
  'garbage collection',
  'an SQL join',
  'public-key encryption',
  'a container image',
];

export const programmingPrompts: readonly string[] = [...cross(taskTemplates, tasks, 3), ...cross(conceptTemplates, concepts, 3)];
