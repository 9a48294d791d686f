// The grammar of VModel, for ANTLR 4. It is LL(1): every decision looks at one token, so that prediction never
// simulates the automaton.
//
// Two things are decided beside it, in compiler/syntax:
// - Statement words (`data`, `model`, `factor` ...) are names except where a statement or declaration begins;
//   the lexer makes them keywords and keywords.cpp turns them back into names (language reference, "Words").
// - Operators form flat chains here, because a rule for each of the nine levels costs nine calls for every operand;
//   chains.cpp applies the precedences.
grammar VModel;

// ---------------------------------------------------------------- declarations

file : item* EOF ;

item : importItem | model | family | fit | function | distribution | bijector | net ;

importItem : IMPORT STRING (AS NAME)? SEMICOLON ;

model : MODEL NAME block ;

family : FAMILY NAME parameters? (FOR NAME (ASSIGN expression SEMICOLON | block) | ON NAME COLON type block) ;

fit : FIT NAME? LEFT_BRACE setting* RIGHT_BRACE ;
setting : NAME (LEFT_PAREN NAME RIGHT_PAREN)? ASSIGN expression SEMICOLON ;

function : BUILTIN? FN NAME parameters ARROW result (ASSIGN expression SEMICOLON | block | SEMICOLON) ;
result : type | LEFT_PAREN type (COMMA type)+ RIGHT_PAREN ;

distribution : DISTRIBUTION NAME parameters ON type LEFT_BRACE member* RIGHT_BRACE ;
bijector : BIJECTOR NAME parameters ON type ARROW type LEFT_BRACE (member | learn)* RIGHT_BRACE ;
net : NET NAME parameters ON type ARROW type LEFT_BRACE (member | learn)* RIGHT_BRACE ;
member : NAME LEFT_PAREN (NAME (COMMA NAME)*)? RIGHT_PAREN (ASSIGN expression SEMICOLON | block) ;

parameters : LEFT_PAREN (parameter (COMMA parameter)*)? RIGHT_PAREN ;
parameter : NAME COLON type (ASSIGN expression)? ;

// ---------------------------------------------------------------- types

type : NAME typeRest ;
typeRest : support? QUESTION? shape? ;
support : LESS bound (COMMA bound)* GREATER ;
bound : arithmetic (ASSIGN arithmetic)? ;
shape : LEFT_BRACKET expression (COMMA expression)* RIGHT_BRACKET ;

// ---------------------------------------------------------------- statements

block : LEFT_BRACE statement* RIGHT_BRACE ;

statement
  : data | param | let | var | learn | mix | proposal | observe | factor | quantity | require
  | forLoop | plate | whileLoop | ifElse | returnValue | function | assignOrSample ;

data : DATA NAME COLON type (FROM STRING)? SEMICOLON ;
param : NONCENTERED? PARAM NAME COLON type (TILDE expression)? SEMICOLON ;
let : LET (NAME (COLON type)? | LEFT_PAREN NAME (COMMA NAME)+ RIGHT_PAREN) ASSIGN expression SEMICOLON ;
var : VAR NAME (COLON type)? (ASSIGN expression)? SEMICOLON ;
learn : LEARN NAME COLON NAME (arguments shape? | typeRest ((ASSIGN | TILDE) expression)?) SEMICOLON ;
mix : MIX NAME COLON type TILDE expression SEMICOLON ;
proposal : PROPOSAL block ;
observe : OBSERVE target TILDE expression SEMICOLON ;
factor : FACTOR expression SEMICOLON ;
quantity : QUANTITY NAME (COLON type)? (ASSIGN expression)? SEMICOLON ;
require : REQUIRE expression (COMMA STRING)? SEMICOLON ;
forLoop : FOR NAME IN range block ;
plate : PLATE NAME IN range block ;
whileLoop : WHILE expression block ;
ifElse : IF expression block elseBranch* ;
elseBranch : ELSE (IF expression block | block) ;
returnValue : RETURN expression SEMICOLON ;
assignOrSample : target (ASSIGN | PLUS_ASSIGN | TILDE) expression SEMICOLON ;

// What is assigned, observed or drawn.
target : place | LEFT_PAREN place (COMMA place)* RIGHT_PAREN ;
place : NAME suffix* ;

range : expression (COLON expression)? ;

// ---------------------------------------------------------------- expressions

expression : chain (QUESTION expression COLON chain)* ;
chain : operand ((arithmeticOperator | comparisonOperator) operand)* ;
// Inside `<...>` of a type, where `>` closes.
arithmetic : operand (arithmeticOperator operand)* ;

arithmeticOperator : PLUS | MINUS | STAR | SLASH | AT | CARET ;
comparisonOperator : EQUAL | NOT_EQUAL | LESS | LESS_EQUAL | GREATER | GREATER_EQUAL | AND | OR ;

operand : (MINUS | NOT)* primary suffix* ;

suffix
  : arguments
  | LEFT_BRACKET index (COMMA index)* RIGHT_BRACKET
  | TRANSPOSE
  | DOT NAME (DOT NAME)* arguments ;

arguments : LEFT_PAREN (argument (COMMA argument)*)? RIGHT_PAREN ;
argument : expression (ASSIGN expression)? ;
index : COLON expression? | expression (COLON expression?)? ;

primary
  : NUMBER
  | NAME
  | LEARN
  | TRUE
  | FALSE
  | LEFT_PAREN expression (COMMA expression)* RIGHT_PAREN
  | LEFT_BRACKET (expression (FOR generator (COMMA generator)* | (COMMA expression)*))? RIGHT_BRACKET ;

generator : NAME IN range ;

// ---------------------------------------------------------------- tokens

// Names except where a statement or declaration begins.
IMPORT : 'import' ;
MODEL : 'model' ;
FAMILY : 'family' ;
FIT : 'fit' ;
BUILTIN : 'builtin' ;
FN : 'fn' ;
DISTRIBUTION : 'distribution' ;
BIJECTOR : 'bijector' ;
NET : 'net' ;
DATA : 'data' ;
NONCENTERED : 'noncentered' ;
PARAM : 'param' ;
LET : 'let' ;
VAR : 'var' ;
MIX : 'mix' ;
PROPOSAL : 'proposal' ;
OBSERVE : 'observe' ;
FACTOR : 'factor' ;
QUANTITY : 'quantity' ;
REQUIRE : 'require' ;
PLATE : 'plate' ;
// Names except in their one place.
AS : 'as' ;
FROM : 'from' ;
ON : 'on' ;
// Never names.
LEARN : 'learn' ;
FOR : 'for' ;
IN : 'in' ;
IF : 'if' ;
ELSE : 'else' ;
WHILE : 'while' ;
RETURN : 'return' ;
TRUE : 'true' ;
FALSE : 'false' ;

SEMICOLON : ';' ;
COMMA : ',' ;
COLON : ':' ;
ASSIGN : '=' ;
PLUS_ASSIGN : '+=' ;
TILDE : '~' ;
ARROW : '->' ;
QUESTION : '?' ;
DOT : '.' ;
TRANSPOSE : '\'' ;
LEFT_PAREN : '(' ;
RIGHT_PAREN : ')' ;
LEFT_BRACKET : '[' ;
RIGHT_BRACKET : ']' ;
LEFT_BRACE : '{' ;
RIGHT_BRACE : '}' ;
PLUS : '+' ;
MINUS : '-' ;
STAR : '*' ;
SLASH : '/' ;
AT : '@' ;
CARET : '^' ;
EQUAL : '==' ;
NOT_EQUAL : '!=' ;
LESS : '<' ;
LESS_EQUAL : '<=' ;
GREATER : '>' ;
GREATER_EQUAL : '>=' ;
AND : '&&' ;
OR : '||' ;
NOT : '!' ;

NUMBER : DIGIT [0-9_]* ('.' DIGIT+)? ([eE] [+-]? DIGIT+)? ;
NAME : [A-Za-z_] [A-Za-z_0-9]* ;
STRING : '"' ~["\n\r]* '"' ;

COMMENT : '//' ~[\n]* -> channel(HIDDEN) ;
SPACE : [ \t\r\n\f]+ -> skip ;

// What is wrong everywhere; the parser never sees these (tokens.cpp reports and replaces them).
MALFORMED_NUMBER
  : DIGIT [0-9_]* ('.' DIGIT+)? ([eE] [+-]? DIGIT+)? [A-Za-z_] [A-Za-z_0-9]*
  | DIGIT [0-9_]* '.'
  | '.' DIGIT+ ([eE] [+-]? DIGIT+)? ;
FOREIGN_OPERATOR
  : '%*%' | '%%' | '%/%' | '%' | '**' | '.*' | './' | '.^' | '\\' | '&' | '|' | ':=' | '-=' | '*=' | '/=' | '++' | '===' | '=>' | '<>' | '|>' ;
BLOCK_COMMENT : '/*' .*? ('*/' | EOF) ;
UNTERMINATED_STRING : '"' ~["\n\r]* ;
// The lexer reads bytes: a run of these is text that is not ASCII.
NON_ASCII : [\u0080-\u00FF]+ ;
UNKNOWN : . ;

fragment DIGIT : [0-9] ;
