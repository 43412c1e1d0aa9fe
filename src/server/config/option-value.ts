import { ValidateBy, ValidateIf } from 'class-validator';
import type { ValidationArguments } from 'class-validator';
import { OPTION_RULES, OPTION_TABLE, type OptionField } from '../../shared/config/option-table.js';

/**
 * Validates the property by the rules that `shared/config/option-table.ts` has for the option of that name. An optional
 * option may be undefined.
 */
export function OptionValue() {
  return (target: object, field: OptionField): void => {
    const option = OPTION_TABLE.find((candidate) => candidate.field === field)!;
    const rules = OPTION_RULES.filter(({ fields: [violating] }) => violating === field);
    const valuesOf = (validation?: ValidationArguments) =>
      (validation?.object ?? {}) as Record<string, unknown>;
    if (option.defaultValue === undefined) ValidateIf((_, value) => value !== undefined)(target, field);
    ValidateBy({
      name: 'isOptionValue',
      validator: {
        validate: (value, validation) =>
          option.type.accepts(value) && rules.every(({ isMet }) => isMet(valuesOf(validation))),
        defaultMessage: (validation) => {
          if (!option.type.accepts(validation?.value)) {
            return `${field} ${option.type.requirement}, not ${JSON.stringify(validation?.value)}`;
          }
          const violated = rules.find(({ isMet }) => !isMet(valuesOf(validation)));
          return violated?.problem(violated.fields, valuesOf(validation)) ?? '';
        },
      },
    })(target, field);
  };
}
