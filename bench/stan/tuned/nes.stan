// Party identification (1 to 7) by ideology and demographics; the first age group is the baseline.
data {
  int<lower=0> N;
  vector[N] partyid7;
  vector[N] real_ideo;
  vector[N] race_adj;
  array[N] int<lower=1, upper=4> age_discrete;
  vector[N] educ1;
  vector[N] gender;
  vector[N] income;
}
transformed data {
  matrix[N, 8] X;
  X[ : , 1] = real_ideo;
  X[ : , 2] = race_adj;
  for (n in 1 : N) {
    for (age in 2 : 4) {
      X[n, age + 1] = age_discrete[n] == age;
    }
  }
  X[ : , 6] = educ1;
  X[ : , 7] = gender;
  X[ : , 8] = income;
}
parameters {
  vector[9] beta;
  real<lower=0> sigma;
}
model {
  partyid7 ~ normal_id_glm(X, beta[1], beta[2 : 9], sigma);
}
