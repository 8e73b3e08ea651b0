// SPDX-License-Identifier: Apache-2.0
// A recorded call as a command line and as Python. The key is read from the environment.
import type { RecordedCall } from '../api/recorder'

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** Return the curl command; it prints the JSON that the screen got. */
export function asCurl(call: RecordedCall, origin: string): string {
  const lines = [`curl -sS ${call.method === 'GET' ? '' : `-X ${call.method} `}${quoted(origin + call.path)}`]
  lines.push(`-H "Authorization: Bearer $HV_API_KEY"`)
  if (call.body !== null) {
    lines.push(`-H ${quoted(`Content-Type: ${call.contentType ?? 'application/json'}`)}`)
    lines.push(`--data-raw ${quoted(call.body)}`)
  }
  return lines.join(' \\\n  ')
}

/** Return the same call with httpx. */
export function asPython(call: RecordedCall, origin: string): string {
  const body = call.body === null ? '' : `\n    json=json.loads(${pythonText(call.body)}),`
  return [
    ...(call.body === null ? [] : ['import json']),
    'import os',
    '',
    'import httpx',
    '',
    'answer = httpx.request(',
    `    ${pythonText(call.method)},`,
    `    ${pythonText(origin + call.path)},`,
    `    headers={"Authorization": f"Bearer {os.environ['HV_API_KEY']}"},${body}`,
    ')',
    'answer.raise_for_status()',
    'print(answer.json())',
  ].join('\n')
}

function pythonText(text: string): string {
  return JSON.stringify(text) // a JSON text is a Python text as well
}
