// SPDX-License-Identifier: Apache-2.0
import js from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

const onlyGenerated = 'call the server through src/api (the generated client)'

export default tseslint.config(
  { ignores: ['node_modules', 'src/api/generated'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      'max-lines': ['error', { max: 400, skipComments: true, skipBlankLines: true }],
      'no-console': 'error',
      'no-restricted-globals': ['error', { name: 'fetch', message: onlyGenerated }],
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'names of patients are hostile text' },
      ],
    },
  },
  {
    // the viewer is a library: it knows neither antd nor the screens
    files: ['src/viewer/**/*.{ts,tsx}'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['antd', 'antd/*', '@ant-design/*', '**/screens/**', '**/app/**'] }],
    },
  },
  { files: ['src/api/**', 'src/viewer/**', 'src/testing/**', '**/*.test.{ts,tsx}'], rules: { 'no-restricted-globals': 'off' } },
)
