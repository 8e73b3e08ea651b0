// SPDX-License-Identifier: Apache-2.0
// A recorded call as a command line and as Python. The key, secrets, and files are left for the reader
// to put in: they come from the environment.
import type { RecordedCall } from '../api/recorder'

export const PART_URL = '$HV_PART_URL'
const JSON_TYPE = /^application\/([\w.-]+\+)?json\b/

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

function pythonText(text: string): string {
  return JSON.stringify(text) // a JSON text is a Python text as well
}

function headersOf(call: RecordedCall): [string, string][] {
  const own = Object.entries(call.headers)
  return call.body === null && !call.sends ? own : [['Content-Type', call.contentType ?? 'application/json'], ...own]
}

/** Bytes of a part: the address is a secret for a while, so it is not shown. */
function partAsCurl(): string {
  return `curl -sS -X PUT --upload-file part "${PART_URL}"`
}

function stowAsCurl(call: RecordedCall, origin: string): string {
  const head = String.raw`'--hv\r\nContent-Type: application/dicom\r\n\r\n'`
  const tail = String.raw`'\r\n--hv--\r\n'`
  return [
    `{ printf -- ${head}; cat image.dcm; printf ${tail}; } |`,
    `curl -sS -X POST ${quoted(origin + call.path)} \\`,
    `  -H "Authorization: Bearer $HV_API_KEY" \\`,
    `  -H 'Content-Type: multipart/related; type="application/dicom"; boundary=hv' \\`,
    `  -H 'Accept: application/dicom+json' --data-binary @-`,
  ].join('\n')
}

/** Return the curl command; it prints the JSON that the screen got. */
export function asCurl(call: RecordedCall, origin: string): string {
  if (call.sends === 'part') return partAsCurl()
  if (call.sends === 'dicom') return stowAsCurl(call, origin)
  const lines = [`curl -sS ${call.method === 'GET' ? '' : `-X ${call.method} `}${quoted(origin + call.path)}`]
  lines.push(`-H "Authorization: Bearer $HV_API_KEY"`)
  for (const [name, value] of headersOf(call)) lines.push(`-H ${quoted(`${name}: ${value}`)}`)
  if (call.body !== null) lines.push(`--data-raw ${quoted(call.body)}`)
  return lines.join(' \\\n  ')
}

function pythonCall(imports: string[], lines: string[], print: string): string {
  return [...imports.sort().map((name) => `import ${name}`), '', 'import httpx', '', ...lines, 'answer.raise_for_status()', print].join('\n')
}

const READ_IMAGE = 'open("image.dcm", "rb").read()'

/** Return the same call with httpx. */
export function asPython(call: RecordedCall, origin: string): string {
  const url = pythonText(origin + call.path)
  if (call.sends === 'part') {
    const put = 'answer = httpx.put(os.environ["HV_PART_URL"], content=open("part", "rb").read())'
    return pythonCall(['os'], [put], 'print(answer.status_code)')
  }
  const key = `"Authorization": f"Bearer {os.environ['HV_API_KEY']}"`
  if (call.sends === 'dicom') {
    return pythonCall(
      ['os'],
      [
        String.raw`body = b"--hv\r\nContent-Type: application/dicom\r\n\r\n" + ${READ_IMAGE} + b"\r\n--hv--\r\n"`,
        `answer = httpx.post(`,
        `    ${url},`,
        `    content=body,`,
        `    headers={`,
        `        ${key},`,
        `        "Content-Type": 'multipart/related; type="application/dicom"; boundary=hv',`,
        `        "Accept": "application/dicom+json",`,
        `    },`,
        `)`,
      ],
      'print(answer.json())',
    )
  }
  const asJson = call.body !== null && JSON_TYPE.test(call.contentType ?? '')
  const headers = headersOf(call).filter(([name]) => !(asJson && name === 'Content-Type'))
  const more = headers.map(([name, value]) => `, ${pythonText(name)}: ${pythonText(value)}`).join('')
  const body = call.body === null ? [] : [asJson ? `    json=json.loads(${pythonText(call.body)}),` : `    content=${pythonText(call.body)}.encode(),`]
  return pythonCall(
    asJson ? ['json', 'os'] : ['os'],
    ['answer = httpx.request(', `    ${pythonText(call.method)},`, `    ${url},`, `    headers={${key}${more}},`, ...body, ')'],
    'print(answer.json() if answer.content else answer.status_code)',
  )
}
