// SPDX-License-Identifier: Apache-2.0
// Coded words of the measurement report (PS3.16: TID 1500, CID 218, CID 7464).
import type { Dataset } from '../dicom/dataset'
import type { Figure, MeasureKind } from './model'

export interface Code {
  value: string
  scheme: string
  meaning: string
}

const code = (value: string, scheme: string, meaning: string): Code => ({ value, scheme, meaning })

export const REPORT = code('126000', 'DCM', 'Imaging Measurement Report')
export const LANGUAGE = code('121049', 'DCM', 'Language of Content Item and Descendants')
export const ENGLISH = code('en', 'RFC5646', 'English')
export const OBSERVER_TYPE = code('121005', 'DCM', 'Observer Type')
export const PERSON = code('121006', 'DCM', 'Person')
export const OBSERVER = code('121008', 'DCM', 'Person Observer Name')
export const ACCOUNT = code('128774', 'DCM', "Person Observer's Login Name")
export const DEVICE = '121007' // DCM
export const DEVICE_NAME = '121013' // DCM
export const DEVICE_MODEL = '121015' // DCM
export const ALGORITHM = '111001' // DCM
export const ALGORITHM_VERSION = '111003' // DCM
export const BASIS = code('121112', 'DCM', 'Source of Measurement')
export const BASIS_UID = code('source-track-uid', '99HV', 'Tracking UID of the source')
export const PROCEDURE = code('121058', 'DCM', 'Procedure reported')
export const IMAGING = code('363679005', 'SCT', 'Imaging procedure')
export const MEASUREMENTS = code('126010', 'DCM', 'Imaging Measurements')
export const GROUP = code('125007', 'DCM', 'Measurement Group')
export const TRACKING = code('112039', 'DCM', 'Tracking Identifier')
export const TRACKING_UID = code('112040', 'DCM', 'Tracking Unique Identifier')
export const REGION = code('111030', 'DCM', 'Image Region')
export const PATH = code('121055', 'DCM', 'Path')
export const SOURCE = code('260753009', 'SCT', 'Source')
export const DERIVATION = code('121401', 'DCM', 'Derivation')
export const COMMENT = code('121106', 'DCM', 'Comment')
export const FINDING = code('121071', 'DCM', 'Finding')
const ATTENUATION = code('112031', 'DCM', 'Attenuation Coefficient')
const PIXEL_VALUE = code('pixel-value', '99HV', 'Pixel value')

interface Meaning {
  name: Code
  derivation?: Code
}

const SHAPE: Partial<Record<Figure['name'], Code>> = {
  length: code('410668003', 'SCT', 'Length'),
  short: code('103340004', 'SCT', 'Short Axis'),
  angle: code('1483009', 'SCT', 'Angle'),
  area: code('42798000', 'SCT', 'Area'),
}
const LONG_AXIS = code('103339001', 'SCT', 'Long Axis')
const DERIVED: Partial<Record<Figure['name'], Code>> = {
  mean: code('373098007', 'SCT', 'Mean'),
  deviation: code('386136009', 'SCT', 'Standard Deviation'),
  minimum: code('255605001', 'SCT', 'Minimum'),
  maximum: code('56851009', 'SCT', 'Maximum'),
}

/** What a number means: its concept and, for pixel statistics, how it was derived. */
export function meaningOf(figure: Figure, kind: MeasureKind): Meaning {
  if (kind === 'bidirectional' && figure.name === 'length') return { name: LONG_AXIS }
  const shape = SHAPE[figure.name]
  if (shape) return { name: shape }
  const derivation = DERIVED[figure.name]
  const name = figure.unit === "[hnsf'U]" ? ATTENUATION : PIXEL_VALUE
  return derivation ? { name, derivation } : { name }
}

export function codeItem({ value, scheme, meaning }: Code): Dataset {
  return {
    '00080100': { vr: 'SH', Value: [value] },
    '00080102': { vr: 'SH', Value: [scheme] },
    '00080104': { vr: 'LO', Value: [meaning] },
  }
}
