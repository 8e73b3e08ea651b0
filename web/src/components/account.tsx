// SPDX-License-Identifier: Apache-2.0
// Who did something: the name of a person, else the id of the program or device.
import { useName } from './names'

interface Props {
  person: string | null | undefined // the person's id, also behind an API key
  other: string // what stands here when there is no name
}

export function Account({ person, other }: Props) {
  const name = useName(person)
  return (
    <span className="hv-data" title={name ? other : undefined}>
      {name ?? other}
    </span>
  )
}
