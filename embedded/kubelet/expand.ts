/**
 * Replaces `$(NAME)` by a variable's value; `$$` stands for `$`, so `$$(NAME)` for the text `$(NAME)`, and a name that is not known stays as it is.
 *
 * @see https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\$|\(([^()]*)\))/g, (found, name: string | undefined) =>
    name === undefined ? '$' : Object.hasOwn(variables, name) ? variables[name]! : found,
  )
}
