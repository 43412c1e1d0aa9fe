import { getMetadataStorage } from 'class-validator';
import { ContainerDto } from '../../src/server/capture/request/container.dto.js';

/** A rule of class-validator, as far as it counts here. */
interface Rule {
  readonly propertyName: string;
  readonly type: string;
  readonly name?: string;
  readonly constraints?: readonly unknown[];
  readonly each?: boolean;
  readonly context?: unknown;
}

type Schema = Record<string, unknown>;

/** The `container` object as a JSON schema, made of the very rules that requests are checked by. */
export function containerSchema(): Schema {
  return { ...classSchema(ContainerDto), anyOf: [{ required: ['netns'] }, { required: ['name'] }] };
}

function classSchema(dto: new () => object): Schema {
  const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false) as unknown as Rule[];
  const properties = Object.keys(new dto()).map((name) => [
    name,
    propertySchema(rules.filter(({ propertyName }) => propertyName === name)),
  ]);
  return { type: 'object', properties: Object.fromEntries(properties) as Schema };
}

/** Null counts as absent. */
function propertySchema(rules: readonly Rule[]): Schema {
  const schema: Schema = {};
  for (const rule of rules) Object.assign(schema, ruleSchema(rule));
  return { ...schema, type: [schema['type'], 'null'] };
}

/** @throws Error at a rule that is not known here: a schema that leaves one out would be wrong */
function ruleSchema({ type, name = type, constraints: [limit] = [], each = false, context }: Rule): Schema {
  switch (name) {
    case 'conditionalValidation':
    case 'isOptional':
      return { description: (context as { meaning: string }).meaning };
    case 'nestedValidation':
      return {}; // `isInstance` knows of what
    case 'isInt':
      return { type: 'integer' };
    case 'min':
      return { minimum: limit };
    case 'max':
      return { maximum: limit };
    case 'maxLength':
      return { maxLength: limit };
    case 'isString':
      return each ? { items: { type: 'string' } } : { type: 'string' };
    case 'isArray':
      return { type: 'array' };
    case 'isInstance':
      return classSchema(limit as new () => object);
    default:
      throw new Error(`there is no JSON schema for the rule ${name}`);
  }
}
